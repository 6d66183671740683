from ipykernel.zmqshell import ZMQInteractiveShell


class Shell(ZMQInteractiveShell):
    """Its name is what the chapters know Colab by. `%pip` keeps its line and installs nothing."""

    pip_lines = []

    def run_line_magic(self, name, line, _stack_depth=1):
        if name == "pip":
            self.pip_lines.append(line)
            return None
        return super().run_line_magic(name, line, _stack_depth + 1)
