import torch
from dataclasses import replace
from transformers import AutoModelForCausalLM, Gemma4TextConfig
from emovec_lite.models import ModelSpec, Subject
from emovec_lite.course.stand_in import stand_ins
def test_a(tokenizer):
    c = Gemma4TextConfig(vocab_size=64, hidden_size=32, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=16, global_head_dim=32, intermediate_size=64, pad_token_id=0, sliding_window=16, vocab_size_per_layer_input=64, hidden_size_per_layer_input=256, num_kv_shared_layers=4, max_position_embeddings=128, final_logit_softcapping=30.0)
    hf = AutoModelForCausalLM.from_config(c).eval().requires_grad_(False)
    s = Subject(ModelSpec("g"), hf, tokenizer, "g")
    for one in stand_ins(s):
        ids = tokenizer("w1 w2 w3", return_tensors="pt")
        print(one.n_layers, sum(p.numel() for p in one.hf.parameters()), one.hf(**ids).logits.isfinite().all(), one.hf.generate(**ids, max_new_tokens=3))
