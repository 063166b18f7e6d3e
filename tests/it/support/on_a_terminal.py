# Runs a program on a terminal of its own: its process id first, then what it writes there. A line on standard input closes the
# terminal. With a file named, standard error goes there instead. The exit code is the program's.
import os, pty, select, sys

log, program = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    if log:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    os.execv(program[0], program)
print(pid, flush=True)
watched = [terminal, 0]
while True:
    readable, _, _ = select.select(watched, [], [])
    if 0 in readable:
        watched.remove(0)
        if os.read(0, 1):
            break
    if terminal in readable:
        try:
            text = os.read(terminal, 4096)
        except OSError:  # The program has ended.
            break
        os.write(1, text)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
