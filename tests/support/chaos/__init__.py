"""Systems whose parts tests kill, and the killing: at a random moment, or at a step of a process."""
