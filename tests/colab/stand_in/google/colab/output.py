enabled = 0


def enable_custom_widget_manager():
    global enabled
    enabled += 1
