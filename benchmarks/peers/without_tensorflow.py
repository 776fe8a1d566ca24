"""neural-tangents without its bridge to TensorFlow, which is all that it needs TensorFlow for: import this first.

`import neural_tangents` imports `neural_tangents.experimental`, which holds nothing but that bridge. With an empty
module in its place a process starts in a second and half a gigabyte lighter, and all else is as it is.
"""

import sys
import types

sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")
