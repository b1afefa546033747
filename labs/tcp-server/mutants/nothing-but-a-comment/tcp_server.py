# TODO: 明天写
