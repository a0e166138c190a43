"""Activations and normalisations of timm: ``act=timm_quick_gelu``, ``norm=timm_layernorm2d``."""

from timm.layers import get_act_layer, get_norm_act_layer, get_norm_layer

from ablate import hookimpl
from ablate.techniques import Activation, Norm

ACTIVATIONS = (
    "celu elu gelu gelu_tanh hard_mish hard_sigmoid hard_swish leaky_relu mish prelu quick_gelu relu relu6 selu "
    "sigmoid silu tanh"
)
ANYWHERE = "groupnorm groupnorm1"
LAST = "layernorm layernormfp32 rmsnorm rmsnormfp32 simplenorm simplenormfp32"  # want the features last
IMAGES = "batchnorm2d layernorm2d layernorm2dfp32 rmsnorm2d rmsnorm2dfp32 simplenorm2d simplenorm2dfp32"
WITH_ACTIVATION = "evonormb0 evonormb1 evonormb2 evonorms0 evonorms1 evonorms2 frn frntlu"  # act=identity suits them


@hookimpl
def register_techniques(register):
    for name in ACTIVATIONS.split():
        register(f"timm_{name}", Activation.of(get_act_layer(name)))
    for name in ANYWHERE.split():
        register(f"timm_{name}", Norm.of(get_norm_layer(name)))
    for name in LAST.split():
        register(f"timm_{name}", Norm.of(get_norm_layer(name), channels_last=True))
    for name in IMAGES.split():
        register(f"timm_{name}", Norm.of((get_norm_layer(name),)))
    for name in WITH_ACTIVATION.split():
        register(f"timm_{name}", Norm.of((get_norm_act_layer(name),)))
