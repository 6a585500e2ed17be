"""One detached process per attempt that starts the trainers, keeps their log and reads metrics from it.

The directory of the attempt is the interface; nothing else links a runner with a server.

    attempt.json   what to run (server, atomic)
    spawn.json     pid, start_time, boot_id of the process that is to become the runner (server, atomic)
    lock           POSIX record lock, held by the runner while it lives; the kernel names the holder's pid
    stop           its presence asks for TERM, then KILL (server; empty).  SIGUSR1 makes the runner look at once,
                   SIGUSR2 asks for the same where no file can be made
    runner.json    pid, start_time, boot_id, started (epoch seconds, null before), hosts (name -> pid), notes,
                   groups (where control groups are, or would be)
    <host>/ml      the instance's /opt/ml
    <host>.log     stdout and stderr, byte for byte
    <host>.idx     16 bytes for each read: little-endian u64 offset in the log, u64 epoch milliseconds.  The bytes from
                   that offset up to the next record's arrived then.  A record is written before its bytes
    points         one JSON line [host, metric index, value, epoch seconds] for each value; appended in whole lines.
                   A fifth element, false, marks one that is the metric's last one so far, and not kept
    reserve        room on the disk for exit.json and the end of the log, while the trainers run
    exit.json      cause, codes (first the host that failed first), started, ended, failure, boot_id, on_disk (whether
                   all else was on disk before).  Atomic and last: when it is there, all is over
    runner.log     what the runner itself has to say: empty, or a traceback

Trainers are started at most once in a directory.  A runner that was killed leaves runner.json and no exit.json.

What a full disk has no room for is waited for: before the trainers start, and while their logs and points grow, when
nothing more is read of what they print.  MaxRuntime and a stop end that; the attempt has then failed.
"""
