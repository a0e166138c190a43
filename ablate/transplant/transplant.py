"""The kit's techniques put in the place of those that a network came with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from torch import Tensor, nn

from ablate.kit import Kit, weight_layers
from ablate.techniques import DataSpec, Norm, Task, Technique
from ablate.transplant import swaps
from ablate.transplant.observed import EXAMPLES, Observed, observe
from ablate.transplant.roles import role
from ablate.transplant.told import Replaced, Replacements

WORDS = {"act": "activation", "norm": "normalisation", "pool": "pooling", "reg": "dropout"}


def transplant(model: nn.Module, kit: Kit, spec: DataSpec) -> Replacements:
    """Replace in ``model`` what the kit has another technique for, in place, and return what was replaced where.

    A technique that ``keeps`` leaves alone what is there. What takes a module's place has its name and keeps its
    shape, and takes over its parameters where they mean the same; one module in several places stays one. ``model``
    is called on random examples of ``spec``, before and after. The initialiser is told of, but the caller calls it.

    Raises ``ValueError`` where the network has nothing that a technique could take the place of, where the technique
    does not fit there or the network goes on with what it had, and where it does not predict what ``spec`` asks for.
    """
    chosen: dict[str, bool] = {
        "act": not kit.act.keeps,
        "norm": not kit.norm.keeps,
        "pool": not kit.pool.keeps,
        "reg": not any(reg.keeps for reg in kit.reg.values()),
    }
    _refuse_layers_beside_keep(kit)
    seen = observe(model, spec.input_shape)
    _check_output(seen.output, spec)
    walk = _Walk(model, kit, chosen, seen)
    walk.below(model, "")
    found = walk.replacements()
    _refuse_untouched(kit, chosen, found)
    if found.rows:
        _leave_fused_layers(model)
        _refuse_out_of_reach(model, walk.replaced, spec)
    if not kit.init.keeps:
        names = {module: name for name, module in model.named_modules()}
        found.rows += [
            Replaced("init", names[layer], type(layer).__name__, type(kit.init).__name__.lower())
            for layer in weight_layers(model)
        ]
    return found


class _Walk:
    """One pass over a network, from its root to its leaves."""

    def __init__(self, model: nn.Module, kit: Kit, chosen: dict[str, bool], seen: Observed) -> None:
        self._kit, self._chosen, self._seen = kit, chosen, seen
        self._names = {module: name or "(network)" for name, module in model.named_modules()}
        self._made: dict[nn.Module, nn.Module] = {}
        self._known: set[nn.Module] = set()
        self._visited: set[nn.Module] = set()
        self.replaced: dict[nn.Module, Replaced] = {}

    def below(self, module: nn.Module, path: str) -> None:
        """Replace the children of ``module``, called ``path``, and theirs."""
        if module in self._visited:
            return
        self._visited.add(module)
        for name, child in list(module._modules.items()):
            if child is None or name == "parametrizations":
                continue
            if child not in self._made:
                self._made[child] = self._instead(child, f"{path}.{name}".lstrip("."))
            if self._made[child] is not child:
                module._modules[name] = self._made[child]

    def _instead(self, old: nn.Module, path: str) -> nn.Module:
        """Return what takes the place of a module: itself where nothing does."""
        call = self._seen.calls.get(old)
        kind = role(old, call)
        if kind is None:
            self.below(old, path)
            return old
        self._known.update(old.modules())
        if kind == "norm":
            self.below(old, path)  # some hold the activation that follows
        if not self._chosen.get(kind, False):
            return old
        if kind == "pool":
            if call is None or not swaps.takes_the_place(old, call, self._kit.pool):
                return old
            new = swaps.pool(old, call, self._kit.pool)
        elif kind == "norm":
            new = swaps.norm(old, call, self._kit.norm)
        else:
            new = swaps.activation(self._kit) if kind == "act" else swaps.dropout(call, self._kit)
        new.train(old.training)
        self.replaced[old] = Replaced(kind, path, type(old).__name__, _called(new))
        return new

    def replacements(self) -> Replacements:
        """Return what was replaced, and what could not be because no module does it."""
        calls: dict[tuple[str, str], list[str]] = {}
        for kind, function, module in self._seen.functions:
            if self._chosen[kind] and module not in self._known:
                calls.setdefault((kind, function), []).append(self._names[module])
        return Replacements(
            list(self.replaced.values()),
            [
                f"{function}() as a function, in {_listed(names)} ({WORDS[kind]}: only a module can be replaced)"
                for (kind, function), names in calls.items()
            ],
        )


def _listed(names: list[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _called(module: nn.Module) -> str:
    if isinstance(module, swaps.EachPosition):
        return f"{_called(module.layer)}, at each position"
    if isinstance(module, nn.Sequential):
        return " + ".join(_called(part) for part in module if not isinstance(part, nn.Identity)) or "Identity"
    return type(module).__name__


def _refuse_layers_beside_keep(kit: Kit) -> None:
    keeping = [name for name, reg in kit.reg.items() if reg.keeps]
    layered = [name for name, reg in sorted(kit.reg.items()) if reg.layer(1, 0) is not None]
    if keeping and layered:
        raise ValueError(
            f"reg=[{','.join(sorted(kit.reg))}]: {layered[0]} stands where the network has its dropouts, and "
            f"{keeping[0]} leaves those. Take one of the two"
        )


def _refuse_untouched(kit: Kit, chosen: dict[str, bool], found: Replacements) -> None:
    """Raise ``ValueError`` for a technique that found nothing to take the place of."""
    touched = {row.kind for row in found.rows}
    techniques: dict[str, Technique] = {"act": kit.act, "norm": kit.norm, "pool": kit.pool}
    idle = [kind for kind in techniques if chosen[kind] and kind not in touched]
    if type(kit.norm).reparametrize is not Norm.reparametrize:
        idle = [kind for kind in idle if kind != "norm"]  # it changes how weights are made
    if chosen["reg"] and "reg" not in touched and any(reg.layer(1, 0) is not None for reg in kit.reg.values()):
        idle.append("reg")
    for kind in idle:
        functions = [text for text in found.unreached if f"({WORDS[kind]}:" in text]
        seen = f" What it has is {'; '.join(functions)}." if functions else ""
        which = " that this one could stand for" if kind == "pool" else ""
        raise ValueError(
            f"the network has no module of {WORDS[kind]}{which}, so that {kind} would change nothing.{seen} "
            f"Write {kind}=keep, or leave {kind} out"
        )


def _leave_fused_layers(model: nn.Module) -> None:
    """Have torch's encoder layers call their parts in evaluation, too: fused, they compute what they were made with."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # neither: what torch asks first
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False


def _refuse_out_of_reach(model: nn.Module, replaced: Mapping[nn.Module, Replaced], spec: DataSpec) -> None:
    """Raise ``ValueError`` where the network goes on with a module that was replaced, or cannot without it."""
    called: dict[nn.Module, None] = {}
    with ExitStack() as stack:
        for old in replaced:
            stack.callback(old.register_forward_pre_hook(lambda module, _: called.setdefault(module)).remove)
        try:
            observe(model, spec.input_shape)
        except Exception as error:  # whatever a network asks of its parts
            kinds = " ".join(dict.fromkeys(f"{row.kind}=keep" for row in replaced.values()))
            reason = next(iter(str(error).splitlines()), "").rstrip(".")
            raise ValueError(
                f"what was replaced does not fit into the network ({type(error).__name__}: {reason}): {kinds} leaves it"
            ) from error
    if row := next((replaced[old] for old in called), None):
        raise ValueError(
            f"the network calls its {row.was} {row.path} even where that was replaced: it holds it beside its modules, "
            f"in a list for one. {row.kind}=keep leaves it"
        )


def _check_output(output: object, spec: DataSpec) -> None:
    """Raise ``ValueError`` unless the network predicts what the data asks for."""
    pixels = spec.input_shape[1:] if spec.task is Task.segmentation else ()
    if not isinstance(output, Tensor):
        raise ValueError(f"the network returns a {type(output).__name__}, and has to return one tensor")
    if tuple(output.shape) != (EXAMPLES, spec.outputs, *pixels):
        raise ValueError(
            f"the network makes {tuple(output.shape)} of {EXAMPLES} examples of {spec.input_shape}, and "
            f"{spec.task.value} asks for {(EXAMPLES, spec.outputs, *pixels)}"
        )
