"""What `setup` finds out, says and does before a chapter begins."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from emovec_lite import environment
from emovec_lite import models as m
from emovec_lite.errors import UnknownName


@pytest.fixture(autouse=True)
def plain(monkeypatch, tmp_path):
    """A plain Python with the hub on, 4 GB free, no container, and a load that only gives the name back."""
    for name in ("EMOVEC_MODEL", "EMOVEC_DTYPE", "EMOVEC_BITS", "HF_HUB_OFFLINE", *environment.PLACES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel.kernelapp", raising=False)
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: False)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=4e9))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    monkeypatch.setattr(environment, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(environment, "cached", lambda name: tmp_path if m.spec_of(name).wheels else None)
    monkeypatch.setattr(m, "load_model", lambda name: name)


@pytest.fixture
def colab(monkeypatch):
    """A stand-in for Colab's package; the calls it got."""
    calls = []
    package, output = ModuleType("google.colab"), ModuleType("google.colab.output")
    package.output, output.enable_custom_widget_manager = output, lambda: calls.append("widgets")
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    return calls


@pytest.mark.parametrize("variables, modules, place", [
    ([], [], "Python"),
    ([], ["ipykernel"], "Python"),  # old ipywidgets import it
    ([], ["ipykernel.kernelapp"], "Jupyter"),
    ([], ["google.colab", "ipykernel.kernelapp"], "Colab"),
    (["KAGGLE_KERNEL_RUN_TYPE"], ["google.colab", "ipykernel.kernelapp"], "Kaggle"),
    (["BINDER_LAUNCH_HOST"], ["ipykernel.kernelapp"], "Binder"),
    (["VSCODE_PID"], ["ipykernel.kernelapp"], "VS Code"),
])  # fmt: skip
def test_where(variables, modules, place, monkeypatch):
    for name in variables:
        monkeypatch.setenv(name, "1")
    for name in modules:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert environment.where() == place


def test_setup_says_two_quiet_lines_and_loads_the_default(monkeypatch, capsys):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert environment.setup() == m.DEFAULT_MODEL
    assert capsys.readouterr().out == (
        "[OK]   Python; device cpu, 2 cores; smollm2-135m loads in float32\n"
        "[OK]   1.9 GB of memory free, as smollm2-135m needs\n"
    )
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)
    environment.setup()
    assert "[OK]   Python, model hub off; device" in capsys.readouterr().out


def test_setup_loads_the_model_that_the_environment_names(monkeypatch, capsys):
    monkeypatch.setenv("EMOVEC_MODEL", "qwen3-0.6b")
    assert environment.setup() == "qwen3-0.6b"
    out = capsys.readouterr().out
    assert "3.8 GB of memory free, as qwen3-0.6b needs" in out
    assert "Numbers and outputs that the text speaks of are those of smollm2-135m: yours will differ." in out
    monkeypatch.setenv("EMOVEC_MODEL", "qwen3-0.7b")
    with pytest.raises(UnknownName, match="Unknown model 'qwen3-0.7b'. Nearest: 'qwen3-"):
        environment.setup()


def test_too_little_memory_is_said_and_the_load_is_tried(monkeypatch, capsys):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=9e8))
    assert environment.setup() == m.DEFAULT_MODEL
    out = capsys.readouterr().out
    assert "[FAIL] 0.9 GB of memory free, smollm2-135m needs 1.9 GB\n" in out
    assert "       Fix: close other programs or notebook kernels\n" in out
    monkeypatch.setenv("EMOVEC_MODEL", "mistral-7b")
    assert environment.setup() == "mistral-7b"
    assert "or set EMOVEC_MODEL to a smaller model, such as smollm2-135m\n" in capsys.readouterr().out


def test_on_a_gpu_that_is_too_small_fewer_bits_are_the_way_out(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda *device: (15 * 10**9, 16 * 10**9))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("EMOVEC_MODEL", "mistral-7b")
    environment.setup()
    out = capsys.readouterr().out
    assert "mistral-7b loads in float16" in out and "[FAIL] 15.0 GB of memory free, mistral-7b needs 15.5 GB" in out
    assert "or EMOVEC_BITS to 4: 5.5 GB" in out
    monkeypatch.setenv("EMOVEC_BITS", "4")
    environment.setup()
    out = capsys.readouterr().out
    assert "mistral-7b loads in 4 bits" in out and "[OK]   5.5 GB of memory free" in out


def test_a_model_from_elsewhere_is_counted_when_it_is_there(tiny, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "mine"
    tiny().hf.save_pretrained(folder)
    tiny().tokenizer.save_pretrained(folder)
    monkeypatch.setenv("EMOVEC_MODEL", str(folder))
    assert environment.setup() == str(folder)
    assert "1.4 GB of memory free, as mine needs" in capsys.readouterr().out


def test_a_containers_limit_counts_and_files_that_it_may_drop_do_not(monkeypatch, capsys):
    environment.CGROUP.mkdir()
    for name, text in {"max": "2000000000", "current": "1500000000"}.items():
        (environment.CGROUP / f"memory.{name}").write_text(f"{text}\n")
    stat = environment.CGROUP / "memory.stat"
    stat.write_text("anon 1\nactive_file 100000000\ninactive_file 200000000\n")
    environment.setup()
    assert "[FAIL] 0.8 GB of memory free" in capsys.readouterr().out  # 2.0 - 1.5 + 0.1 + 0.2
    stat.write_text("anon 1\nactive_file 700000000\ninactive_file 700000000\n")
    environment.setup()
    assert "[OK]   1.9 GB" in capsys.readouterr().out
    stat.write_text("anon 1\nactive_file 0\ninactive_file 0\n")
    (environment.CGROUP / "memory.max").write_text("max\n")
    environment.setup()
    assert "[OK]   1.9 GB" in capsys.readouterr().out


def test_on_a_gpu_its_own_memory_counts(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda *device: (10**9, 16 * 10**9))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    environment.setup()
    out = capsys.readouterr().out
    assert "device cuda" in out and "smollm2-135m loads in float32" in out and "[FAIL] 1.0 GB of memory free" in out


def test_in_colab_and_only_there_custom_widgets_are_turned_on(monkeypatch, colab, capsys):
    environment.setup()
    assert colab == ["widgets"] and "[OK]   Colab; device cpu" in capsys.readouterr().out
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    environment.setup()
    assert colab == ["widgets"]


@pytest.mark.parametrize("model, whole, fetched", [
    ("smollm2-135m", False, True), ("smollm2-135m", True, False), ("qwen3-0.6b", False, False),
])  # fmt: skip
def test_a_conversion_comes_before_what_needs_torch(model, whole, fetched, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setenv("EMOVEC_MODEL", model)
    monkeypatch.setattr(environment, "cached", lambda name: tmp_path if whole else None)
    monkeypatch.setattr(environment, "fetch", lambda name: calls.append(f"fetch {name}"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: calls.append("torch") or False)
    environment.setup()
    assert calls == ([f"fetch {model}"] if fetched else []) + ["torch"]
