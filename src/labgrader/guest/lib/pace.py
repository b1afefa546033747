"""How often to look: so seldom that on a slow processor looking does not hold up what is looked for."""

import time

MOST_S = 0.05


class Pace:
    """Rests between looks: `least_s` seconds, and four times what the last look took, at most a twentieth."""

    def __init__(self, least_s):
        self.least_s = least_s
        self.began = time.monotonic()

    def rest(self):
        """Sleep until the next look is due."""
        taken = time.monotonic() - self.began
        time.sleep(min(MOST_S, max(self.least_s, 4 * taken)))
        self.began = time.monotonic()
