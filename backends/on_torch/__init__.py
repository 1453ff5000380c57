"""PyTorch as a backend: plain `torch.nn` modules, `torch.nn.functional` losses and `torch.optim` optimizers."""
