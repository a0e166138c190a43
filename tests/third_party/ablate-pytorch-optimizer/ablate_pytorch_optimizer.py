"""The optimizers of the package pytorch_optimizer, each an option by its name there, as in ``opt=adabelief``."""

from pytorch_optimizer import get_supported_optimizers, load_optimizer

from ablate import hookimpl
from ablate.techniques import Optimizer

OURS = "adadelta adam adamw lbfgs lion nadam radam rmsprop sgd".split()  # ablate has these: opt=po_adam is theirs
DEFAULTS = {"ranger21": {"num_iterations": 1000}}
LEFT_OUT = {
    *("adalomo", "adammini", "lomo"),  # take a model, not parameters
    *("adago", "adamuon", "distributedmuon", "muon", "muonclip", "normuon"),  # take parameters sorted by use
    *("adahessian", "bsam", "sophiah"),  # need second derivatives · two passes
    *("demo", "magma"),  # need einops · another optimizer
}


@hookimpl
def register_techniques(register):
    for name in set(get_supported_optimizers()) - LEFT_OUT:
        theirs = Optimizer.of(load_optimizer(name), **DEFAULTS.get(name, {}))
        register(f"po_{name}" if name in OURS else name, theirs)
