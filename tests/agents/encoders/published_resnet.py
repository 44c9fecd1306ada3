"""ResNet-10 as it is published, with random numbers: its Flax parameters, its pickle, and its forward pass in NumPy.

Written independently of the network under test: arrays are (height, width, channels), and "SAME" padding follows its
definition in XLA: ceil(n / stride) windows, the odd zero behind.
"""

import pickle
import sys
import types

import numpy as np

WIDTHS = (64, 128, 256, 512)


def make_parameters(seed=0):
    """The tree of the published file, with the classifier that nobody wants."""
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return generator.normal(0.0, 1.0 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32)

    def convolution(*shape):
        return {"kernel": draw(*shape)}

    def norm(size):
        uniform = generator.uniform(0.5, 1.5, (2, size)).astype(np.float32)
        return {"scale": uniform[0], "bias": uniform[1] - np.float32(1.0)}

    tree = {"conv_init": convolution(7, 7, 3, 64), "norm_init": norm(64)}
    inputs = 64
    for i, width in enumerate(WIDTHS):
        block = {
            "Conv_0": convolution(3, 3, inputs, width),
            "MyGroupNorm_0": norm(width),
            "Conv_1": convolution(3, 3, width, width),
            "MyGroupNorm_1": norm(width),
        }
        if i > 0:
            block |= {"conv_proj": convolution(1, 1, inputs, width), "norm_proj": norm(width)}
        tree[f"ResNetBlock_{i}"] = block
        inputs = width
    tree["output_head"] = {"kernel": draw(512, 1000), "bias": draw(1000)}
    return tree


# ------------------------------------------------------------------------------------ forward pass


def same_padding(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(image, kernel, stride, padding, fill=0.0):
    """Shape (rows, columns, channels, kernel, kernel)."""
    padded = np.pad(image, (padding, padding, (0, 0)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (0, 1))[::stride, ::stride]


def convolve(image, parameters, stride, padding=None):
    kernel = parameters["kernel"]
    padding = padding or same_padding(len(image), len(kernel), stride)
    return np.einsum("yxckl,klco->yxo", windows(image, len(kernel), stride, padding), kernel, optimize=True)


def normalise(image, parameters):
    groups = image.reshape(*image.shape[:2], 4, -1)
    centred = groups - groups.mean((0, 1, 3), keepdims=True)
    normal = centred / np.sqrt((centred**2).mean((0, 1, 3), keepdims=True) + 1e-5)
    return normal.reshape(image.shape) * parameters["scale"] + parameters["bias"]


def relu(image):
    return np.maximum(image, 0.0)


def forward(tree, image):
    """The map (h, w, 512) of one uint8 image (H, W, 3)."""
    x = (image / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = relu(normalise(convolve(x, tree["conv_init"], 2, (3, 3)), tree["norm_init"]))
    x = windows(x, 3, 2, same_padding(len(x), 3, 2), -np.inf).max((3, 4))
    for i in range(4):
        block = tree[f"ResNetBlock_{i}"]
        stride = 1 if i == 0 else 2
        y = relu(normalise(convolve(x, block["Conv_0"], stride), block["MyGroupNorm_0"]))
        y = normalise(convolve(y, block["Conv_1"], 1), block["MyGroupNorm_1"])
        if i > 0:
            x = normalise(convolve(x, block["conv_proj"], stride), block["norm_proj"])
        x = relu(x + y)
    return x


# ------------------------------------------------------------------------------------ file


def write_pickle(path, tree, monkeypatch):
    """The tree as JAX 0.4 and NumPy 1 pickle it, neither of which is here: their functions are only named."""

    def make_function(module, name):
        def function():
            raise AssertionError("only its name is pickled")

        function.__module__, function.__name__, function.__qualname__ = module, name, name
        stand_in = types.ModuleType(module)
        setattr(stand_in, name, function)
        monkeypatch.setitem(sys.modules, module, stand_in)
        return function

    for package in ("jax", "jax._src"):
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    build = make_function("jax._src.array", "_reconstruct_array")
    reconstruct = make_function("numpy.core.multiarray", "_reconstruct")

    class JaxArray:
        def __init__(self, values):
            self.values = values

        def __reduce__(self):
            _, arguments, state = self.values.__reduce__()
            return build, (reconstruct, arguments, state, {"weak_type": False, "named_shape": {}})

    def wrap(branch):
        # Flax makes the names of layers anew in each block, so that the pickle holds them again
        return {
            "".join(list(name)) if name[-1].isdigit() else name: wrap(value)
            if isinstance(value, dict)
            else JaxArray(value)
            for name, value in branch.items()
        }

    path.write_bytes(pickle.dumps(wrap(tree), protocol=4))
    return path
