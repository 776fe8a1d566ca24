"""neural-tangents without its bridge to TensorFlow, the only part that needs TensorFlow: import this first.

`import neural_tangents` imports `neural_tangents.experimental`, which contains nothing but that bridge. With an empty
module in its place, a process starts within a second and takes half a gigabyte less; nothing else changes.
"""

import sys
import types

sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")
