"""Architectures that break the Simple GIA Check in ways the library's do not."""

import ntkviz as nv


@nv.architecture
def biased_readout(net, x, *, mean=1.0):
    """A readout of mean 1: the check fails because of the mean alone."""
    return net.readout("v", nv.relu(net.matrix("W") @ nv.relu(net.input("U", x))), mean=mean)


@nv.architecture
def embedding_as_readout(net, x):
    """The readout is the bias of the first layer, as a language model's output reuses its embedding."""
    v = net.vector("v")
    hidden = nv.relu(net.input("U", x) + v)
    return net.readout(v, nv.relu(net.matrix("W") @ hidden))


@nv.architecture
def readout_used_twice(net, x):
    """The readout enters the hidden layer on both sides of W."""
    v = net.vector("v")
    W = net.matrix("W")
    return net.readout(v, nv.erf(W @ nv.erf(net.input("U", x) + v) + v))


@nv.architecture
def there_and_back(net, x):
    """W and then its transpose before a mean readout: Ż within the forward pass and across."""
    W = net.matrix("W")
    h = nv.erf(W @ nv.erf(net.input("U", x)))
    return nv.moment(nv.square(W.T @ h))
