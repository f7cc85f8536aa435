/**
 * Loaded into every agent that `mesh up` starts (`node --import`). Its standard input is a pipe from the supervisor:
 * when that ends, the supervisor is gone without having stopped its children (`kill -9`, out of memory), and they must
 * not linger on ports and data that the next `mesh up` needs. They end as abruptly; whatever they were doing is
 * resumed from their stores, as after any other crash.
 */
const die = (): void => void process.kill(process.pid, 'SIGKILL');

process.stdin.on('end', die).on('close', die).on('error', die).resume();
// Watching must not keep a process alive that has otherwise finished.
process.stdin.unref();
