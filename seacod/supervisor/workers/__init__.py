"""The workers' lives: who serves, who takes over, when the next one starts. Only here are worker
processes started, signalled and reaped."""
