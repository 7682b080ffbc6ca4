"""The methods of a Tensor: each is a function of the namespace, under the names users know.

NumPy's and the standard's ``axis=``, ``keepdims=`` and PyTorch's ``dim=``, ``keepdim=`` are both
taken. A trailing underscore, as in PyTorch, means in place: the handle gets the new value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .namespace import ops

if TYPE_CHECKING:
    from .hooks import RemovableHandle
    from .tensor import Tensor

_functions = vars(ops)


def _unary(name: str) -> Callable[[Any], Tensor]:
    def method(self: Any) -> Tensor:
        return _functions[name](self)

    method.__doc__ = f"`dualad.{name}` of this Tensor."
    return method


def _unary_(name: str) -> Callable[[Any], Tensor]:
    def method(self: Any) -> Tensor:
        return ops.update(self, _functions[name])

    method.__doc__ = f"`dualad.{name}` of this Tensor, in place."
    return method


def _binary(name: str) -> Callable[[Any, Any], Tensor]:
    def method(self: Any, other: Any) -> Tensor:
        return _functions[name](self, other)

    method.__doc__ = f"`dualad.{name}` of this Tensor and `other`."
    return method


def _binary_(name: str) -> Callable[[Any, Any], Tensor]:
    def method(self: Any, other: Any) -> Tensor:
        return ops.update(self, _functions[name], other)

    method.__doc__ = f"`dualad.{name}` of this Tensor and `other`, in place."
    return method


def _same(name: str) -> Callable[..., Any]:
    """Return the method that takes what the function of the namespace takes."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _functions[name](self, *args, **kwargs)

    method.__doc__ = f"`dualad.{name}` of this Tensor."
    return method


class Conversions:
    """The methods that are called as Python's types are.

    They have a class apart, for within a class the names of its methods hide the types.
    """

    __slots__ = ()

    def type(self, dtype: Any = None) -> Any:
        """Return the name of the Tensor's type, or the Tensor as `dtype`.

        The latter may be a data type, or a tensor type such as ``dualad.cuda.FloatTensor``.
        """
        return ops.tensor_type(self, dtype)

    def float(self) -> Tensor:
        """Return the Tensor as float32."""
        return ops.to(self, "float32")

    def double(self) -> Tensor:
        """Return the Tensor as float64."""
        return ops.to(self, "float64")

    def half(self) -> Tensor:
        """Return the Tensor as float16."""
        return ops.to(self, "float16")

    def bfloat16(self) -> Tensor:
        """Return the Tensor as bfloat16, where its device has that."""
        return ops.to(self, "bfloat16")

    def int(self) -> Tensor:
        """Return the Tensor as int32."""
        return ops.to(self, "int32")

    def long(self) -> Tensor:
        """Return the Tensor as int64."""
        return ops.to(self, "int64")

    def bool(self) -> Tensor:
        """Return the Tensor as bool."""
        return ops.to(self, "bool")


class Methods(Conversions):
    """The methods, as a mixin of `Tensor`."""

    __slots__ = ()

    # -- elementwise ---------------------------------------------------------------------------

    abs, absolute, square = _unary("abs"), _unary("abs"), _unary("square")
    exp, expm1, log, log1p = _unary("exp"), _unary("expm1"), _unary("log"), _unary("log1p")
    log2, log10, sqrt = _unary("log2"), _unary("log10"), _unary("sqrt")
    sin, cos, tan = _unary("sin"), _unary("cos"), _unary("tan")
    asin, acos, atan = _unary("asin"), _unary("acos"), _unary("atan")
    sinh, cosh, tanh = _unary("sinh"), _unary("cosh"), _unary("tanh")
    asinh, acosh, atanh = _unary("asinh"), _unary("acosh"), _unary("atanh")
    floor, ceil, trunc = _unary("floor"), _unary("ceil"), _unary("trunc")
    neg, negative, reciprocal = _unary("negative"), _unary("negative"), _unary("reciprocal")
    sign, signbit = _unary("sign"), _unary("signbit")
    conj, conjugate = _unary("conj"), _unary("conj")
    sigmoid, relu, rsqrt = _unary("sigmoid"), _unary("relu"), _unary("rsqrt")
    isnan, isinf, isfinite = _unary("isnan"), _unary("isinf"), _unary("isfinite")
    logical_not = _unary("logical_not")

    eq, ne, lt, le = _binary("equal"), _binary("not_equal"), _binary("less"), _binary("less_equal")
    gt, ge = _binary("greater"), _binary("greater_equal")
    mul, div, pow = _binary("multiply"), _binary("divide"), _binary("pow")
    multiply, divide = _binary("multiply"), _binary("divide")
    remainder, floor_divide = _binary("remainder"), _binary("floor_divide")
    maximum, minimum = _binary("maximum"), _binary("minimum")
    logical_and, logical_or = _binary("logical_and"), _binary("logical_or")
    atan2, hypot = _binary("atan2"), _binary("hypot")
    matmul, mm, mv, dot = _binary("matmul"), _binary("matmul"), _binary("matmul"), _binary("dot")

    def add(self, other: Any, *, alpha: complex = 1) -> Tensor:
        """Return ``self + alpha * other``."""
        return ops.add(self, other if alpha == 1 else alpha * other)

    def sub(self, other: Any, *, alpha: complex = 1) -> Tensor:
        """Return ``self - alpha * other``."""
        return ops.subtract(self, other if alpha == 1 else alpha * other)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """`dualad.clip` of this Tensor."""
        return ops.clip(self, min, max)

    clamp = clip

    def round(self, decimals: int = 0) -> Tensor:
        """Return this Tensor rounded to the nearest number of so many decimals, halves to even."""
        if decimals:
            return ops.round(self * 10**decimals) / 10**decimals
        return ops.round(self)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return ops.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return ops.imag(self)

    # -- in place ------------------------------------------------------------------------------

    abs_, neg_, sqrt_, square_ = _unary_("abs"), _unary_("negative"), _unary_("sqrt"), _unary_("square")
    exp_, log_, sin_, cos_ = _unary_("exp"), _unary_("log"), _unary_("sin"), _unary_("cos")
    tanh_, floor_, ceil_, round_ = _unary_("tanh"), _unary_("floor"), _unary_("ceil"), _unary_("round")
    reciprocal_, sign_, trunc_ = _unary_("reciprocal"), _unary_("sign"), _unary_("trunc")
    mul_, div_, pow_ = _binary_("multiply"), _binary_("divide"), _binary_("pow")
    remainder_, floor_divide_ = _binary_("remainder"), _binary_("floor_divide")

    def add_(self, other: Any, *, alpha: complex = 1) -> Tensor:
        """Add ``alpha * other`` in place."""
        return ops.update(self, ops.add, other if alpha == 1 else alpha * other)

    def sub_(self, other: Any, *, alpha: complex = 1) -> Tensor:
        """Subtract ``alpha * other`` in place."""
        return ops.update(self, ops.subtract, other if alpha == 1 else alpha * other)

    def clip_(self, min: Any = None, max: Any = None) -> Tensor:
        """`dualad.clip` in place."""
        return ops.update(self, ops.clip, min, max)

    clamp_ = clip_

    def copy_(self: Any, source: Any) -> Tensor:
        """Take over the elements of `source`, broadcast and converted to this dtype and device."""
        ops.write(self, ..., source)
        return self

    def fill_(self: Any, value: Any) -> Tensor:
        """Set all elements to one number."""
        ops.write(self, ..., value)
        return self

    def masked_fill_(self: Any, mask: Any, value: Any) -> Tensor:
        """Set the elements where the mask is true to one number."""
        ops.write(self, mask, value)
        return self

    fill = fill_

    def zero_(self) -> Tensor:
        """Set all elements to 0."""
        return self.fill_(0)

    # -- random numbers ------------------------------------------------------------------------

    normal_, uniform_, random_ = _same("normal_"), _same("uniform_"), _same("random_")
    exponential_, cauchy_, log_normal_ = _same("exponential_"), _same("cauchy_"), _same("log_normal_")
    bernoulli_, geometric_ = _same("bernoulli_"), _same("geometric_")
    bernoulli, multinomial = _same("bernoulli"), _same("multinomial")

    # -- reductions and sorting ----------------------------------------------------------------

    sum, prod, mean, var, std = _same("sum"), _same("prod"), _same("mean"), _same("var"), _same("std")
    max, min, argmax, argmin = _same("max"), _same("min"), _same("argmax"), _same("argmin")
    all, any, norm = _same("all"), _same("any"), _same("norm")
    sort, argsort, topk, nonzero = _same("sort"), _same("argsort"), _same("topk"), _same("nonzero")
    cumsum, cumprod, diff, logsumexp = _same("cumsum"), _same("cumprod"), _same("diff"), _same("logsumexp")
    softmax, log_softmax = _same("softmax"), _same("log_softmax")

    def searchsorted(self: Any, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
        """Return where the elements of v are to be put into this Tensor so that it stays sorted."""
        v = v if hasattr(v, "shape") else ops.asarray(v, dtype=self.dtype, device=self.device)
        return ops.searchsorted(self, v, side=side, sorter=sorter)

    # -- shape ---------------------------------------------------------------------------------

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1, **dims: int) -> Tensor:
        """Return the diagonal of two axes as the last; PyTorch's names of them are `dim1` and `dim2`."""
        first, second = dims.pop("dim1", axis1), dims.pop("dim2", axis2)
        if dims:
            raise TypeError(f"diagonal() got an unexpected keyword argument {next(iter(dims))!r}")
        return ops.linalg.diagonal(ops.moveaxis(self, (first, second), (-2, -1)), offset=offset)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """Return the sum of the diagonal of two axes."""
        return self.diagonal(offset, axis1, axis2).sum(-1)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the elements in another shape, as several numbers or one tuple; one may be -1."""
        return ops.reshape(self, ops.as_shape(shape))

    def view(self, *shape: Any) -> Tensor:
        """`reshape`, always a view, however the elements lie; a dtype in place of the shape is refused."""
        return ops.view(self, ops.as_shape(shape))

    def view_as(self, other: Any) -> Tensor:
        """Return the elements in the shape of `other`, as a view."""
        return ops.view(self, other.shape)

    def reshape_as(self, other: Any) -> Tensor:
        """Return the elements in the shape of `other`."""
        return self.reshape(other.shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Return the elements with the axes from `start_dim` to `end_dim` joined into one."""
        return ops.flatten(self, start_dim, end_dim)

    def ravel(self) -> Tensor:
        """Return the elements as a vector."""
        return self.reshape(-1)

    squeeze, unsqueeze, unbind = _same("squeeze"), _same("expand_dims"), _same("unstack")
    roll, tril, triu, moveaxis, movedim = (
        _same("roll"),
        _same("tril"),
        _same("triu"),
        _same("moveaxis"),
        _same("moveaxis"),
    )
    split, chunk, gather, diag = _same("split"), _same("chunk"), _same("gather"), _same("diag")
    index_select, masked_select = _same("index_select"), _same("masked_select")
    masked_fill = _same("masked_fill")

    def permute(self, *axes: Any) -> Tensor:
        """Return the axes in another order."""
        return ops.permute_dims(self, ops.as_shape(axes))

    def transpose(self, *axes: Any) -> Tensor:
        """Swap two axes, as in PyTorch; without arguments reverse them all, as in NumPy."""
        return ops.transpose(self, *axes)

    swapaxes = transpose

    def t(self) -> Tensor:
        """Return the transpose of a matrix; vectors are returned as they are.

        Raises
        ------
        ShapeError
            If there are more than two axes: use ``.T`` or ``.mT``.
        """
        return ops.transpose_matrix(self)

    @property
    def T(self) -> Tensor:
        """The axes in reverse order."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The matrices in the last two axes, transposed."""
        return ops.matrix_transpose(self)

    @property
    def mH(self) -> Tensor:
        """The matrices in the last two axes, transposed and conjugated."""
        return ops.conj(self.mT)

    def expand_as(self, other: Any) -> Tensor:
        """Broadcast to the shape of `other`."""
        return self.expand(other.shape)

    def tile(self, *repeats: Any) -> Tensor:
        """Put copies side by side, so many along each axis."""
        return ops.tile(self, ops.as_shape(repeats))

    def expand(self, *shape: Any) -> Tensor:
        """Broadcast to a shape; -1 keeps an axis as it is."""
        return ops.expand(self, ops.as_shape(shape))

    def repeat(self, *repeats: Any) -> Tensor:
        """Put copies side by side, so many along each axis (`dualad.tile`), as in PyTorch."""
        return ops.tile(self, ops.as_shape(repeats))

    def flip(self, *axes: Any) -> Tensor:
        """Reverse the order of the elements along these axes."""
        return ops.flip(self, axis=ops.as_shape(axes))

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        """`dualad.take` of this Tensor; without `axis` of its elements as a vector."""
        return ops.take(self.ravel(), indices, axis=0) if axis is None else ops.take(self, indices, axis=axis)

    def dim(self: Any) -> int:
        """Return the number of axes."""
        return len(self.shape)

    ndimension = dim

    def numel(self: Any) -> int:
        """Return the number of elements."""
        return int(self.size)

    nelement = numel

    # -- dtype, device, copies -------------------------------------------------------------------

    def astype(self, dtype: Any, *, copy: bool = True) -> Tensor:
        """`dualad.astype` of this Tensor."""
        return ops.astype(self, dtype, copy=copy)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the Tensor on another device, in another dtype, or as `other` is.

        ``x.to(dtype)``, ``x.to(device, dtype)``, ``x.to(other)``; ``copy=True`` copies in any
        case. Differentiable.
        """
        return ops.to(self, *args, **kwargs)

    def to_device(self, device: Any, /, *, stream: Any = None) -> Tensor:
        """Return the Tensor on another device. Differentiable."""
        return ops.to(self, device)

    def cpu(self) -> Tensor:
        """Return the Tensor on the CPU."""
        return ops.to(self, "cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Tensor:
        """Return the Tensor on a CUDA device, the first if none is named; see `to`."""
        return ops.to_cuda(self, device, non_blocking)

    def pin_memory(self) -> Tensor:
        """Return the Tensor, on the CPU, in memory from which a GPU copies while the program goes on."""
        return ops.pin_memory(self)

    def is_pinned(self) -> bool:
        """Return whether the Tensor is in such memory."""
        return bool(ops.is_pinned(self))

    def clone(self) -> Tensor:
        """Return a copy that stays in the graph."""
        return ops.clone(self)

    copy = clone

    def contiguous(self: Any) -> Tensor:
        """Return the Tensor itself if its elements lie in order, row by row, else a copy."""
        return ops.contiguous(self)

    # -- derivatives ---------------------------------------------------------------------------

    def detach(self) -> Tensor:
        """Return a Tensor that shares this one's elements and none of its history."""
        return ops.detach(self)

    def detach_(self) -> Tensor:
        """Forget this Tensor's history, making it a leaf that requires no grad; return it."""
        return ops.forget_history(self)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether ops on this Tensor are recorded from now on; return the Tensor.

        Raises
        ------
        DTypeError
            If its dtype is neither real nor complex floating.
        GradientError
            If it is the result of an op and is to be made constant: use `detach`.
        """
        return ops.require_grad(self, requires_grad)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the derivatives of this Tensor in the ``.grad`` of the leaves it came from.

        Parameters
        ----------
        gradient : Tensor, optional
            The cotangent, of this Tensor's shape; may be left out for one element.
        retain_graph : bool, optional
            Keep what the graph has saved, for another pass; the default is `create_graph`.
        create_graph : bool, optional
            Record the pass itself, so that the gradients can be differentiated.
        inputs : Tensor or sequence of Tensors, optional
            Accumulate in these only.

        Raises
        ------
        GradientError
            If no op on this Tensor was recorded, if its graph was freed by an earlier pass, or if
            it has several elements and no gradient is given.
        """
        gradients = None if gradient is None else [gradient]
        ops.backward(self, gradients, retain_graph, create_graph, inputs)

    def is_inference(self) -> Any:
        """Return whether this Tensor was made in `inference_mode`."""
        return ops.is_inference(self)

    def retain_grad(self) -> None:
        """Let `backward` keep this Tensor's gradient in ``.grad``, although it is no leaf."""
        ops.retain_grad(self)

    @property
    def retains_grad(self) -> Any:
        """Whether this Tensor is no leaf, and keeps its gradient in ``.grad`` all the same."""
        return ops.retains_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook` with this Tensor's gradient whenever one is computed.

        Parameters
        ----------
        hook : callable
            It may return another gradient of the same shape, dtype and device to take its place. It
            is the gradient of the value that the Tensor has now, also if it is written to later.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` takes the hook away, as does leaving it as a context manager.

        Raises
        ------
        GradientError
            If the Tensor does not require grad.
        """
        return ops.register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook` with this Tensor whenever `backward` has added to its ``.grad``.

        Returns
        -------
        RemovableHandle
            Its ``remove()`` takes the hook away, as does leaving it as a context manager.

        Raises
        ------
        GradientError
            If the Tensor does not require grad, or is no leaf.
        """
        return ops.register_post_accumulate_grad_hook(self, hook)
