<?php
/* Sends each text as a request, one after the other, and prints the replies.
 *
 *   php client.php QUEUE TYPE MILLISECONDS TEXT...
 *
 * QUEUE is the key of the queue, such as 0x2a, TYPE the type that the server
 * handles. The status is 0 if there was a reply to each request, 1 if an error came
 * or none before the deadline. It needs the extensions sysvmsg and posix, and pcntl to
 * remove the inbox when it is stopped. PROTOCOL.md of package ipcmq/mux/rpc specifies
 * the protocol. */

const REQUEST = 1, REPLY = 2, ERROR = 3, OWNER = 6;
const REPLY_TYPE = 1, OWNER_TYPE = 2;
const LARGEST = 65536; // bytes of a message here

function fail(string $what): never
{
    fwrite(STDERR, "$what\n");
    exit(2);
}

/* Returns the key in an argument, with the sign that C gives it. */
function key_of(string $text): int
{
    $key = intval($text, 0);
    return $key > 0x7fffffff ? $key - 0x100000000 : $key;
}

/* Returns a request. Each number of the header has its place, little-endian. */
function encode(int $id, string $token, int $deadline, string $address, string $metadata, string $payload): string
{
    return pack('a4CCv', 'ipcq', 1, REQUEST, 0) . pack('P', $id) . $token . pack('P', $deadline)
        . pack('vvV', strlen($address), strlen($metadata), 0) . $address . $metadata . $payload;
}

/* Returns kind, code, id, token and payload of a message, or null if it is not a
 * message of version 1. */
function decode(string $b): ?array
{
    if (strlen($b) < 40) {
        return null;
    }
    $h = unpack('a4magic/Cversion/Ckind/vcode/Pid/a8token/Pdeadline/vn/vm', $b);
    $end = 40 + $h['n'] + $h['m'];
    if ($h['magic'] !== 'ipcq' || $h['version'] != 1 || $h['kind'] < REQUEST || $h['kind'] > ERROR
        || $h['n'] > 255 || $h['m'] > 1024 || $end > strlen($b)) {
        return null;
    }
    for ($at = 40 + $h['n']; $at < $end;) { // the metadata, which is skipped here
        $k = ord($b[$at]);
        if ($k == 0 || $at + 1 + $k + 2 > $end) {
            return null;
        }
        $at += 1 + $k + 2 + unpack('v', $b, $at + 1 + $k)[1];
    }
    return $at == $end ? $h + ['payload' => substr($b, $end)] : null;
}

/* Returns the field for a deadline this many nanoseconds from now, by the time since
 * boot, which PHP can read to a hundredth of a second; nothing if it cannot. */
function due(int $left): string
{
    $id = @file_get_contents('/proc/sys/kernel/random/boot_id');
    $uptime = @file_get_contents('/proc/uptime');
    $own = @readlink('/proc/self/ns/time');
    if ($id === false || $uptime === false || $own !== @readlink('/proc/self/ns/time_for_children')) {
        return '';
    }
    $offset = 0;
    if (preg_match('/^boottime\s+(-?\d+)\s+(\d+)/m', (string)@file_get_contents('/proc/self/timens_offsets'), $m)) {
        $offset = (int)$m[1] * 1000000000 + (int)$m[2];
    }
    $now = (int)round((float)$uptime * 1e9) - $offset;
    return "\x02\x00d\x18\x00" . hex2bin(str_replace('-', '', trim($id))) . pack('P', $now + $left);
}

/* Returns the record of the owner: zeros where they are not known. */
function owner(): string
{
    $inode = fn(string $path): int => preg_match('/\d+/', (string)@readlink($path), $m) ? (int)$m[0] : 0;
    $stat = (string)@file_get_contents('/proc/self/stat');
    $fields = explode(' ', substr($stat, (int)strrpos($stat, ')') + 2));
    $record = [getmypid(), (int)($fields[19] ?? 0), $inode('/proc/self/ns/pid'), $inode('/proc/self/ns/time')];
    if ($stat === '') {
        $record = [0, 0, 0, 0];
    }
    return pack('a4CCv', 'ipcq', 1, OWNER, 0) . pack('P4', ...$record);
}

/* Creates an inbox, with a key since PHP cannot open a queue by its id. */
function make_inbox(): array
{
    do {
        $key = random_int(1, 0x7fffffff);
    } while (msg_queue_exists($key));
    $inbox = msg_get_queue($key, 0600); // opens one that was created at this moment
    if ($inbox === false || msg_stat_queue($inbox)['msg_qnum'] != 0) {
        fail('no inbox could be created');
    }
    if (!msg_send($inbox, OWNER_TYPE, owner(), false, false, $error)) {
        fail('the new inbox: ' . posix_strerror($error));
    }
    msg_set_queue($inbox, ['msg_perm.mode' => 0611]); // the record is first: now others may send
    return [$inbox, sprintf('sysvkey:0x%08x', $key)];
}

/* Calls try until it returns something or the time is over: PHP cannot wait in the
 * kernel with a timeout. */
function await(callable $try, float $until): mixed
{
    for ($pause = 100; ; $pause = min(2 * $pause, 5000)) {
        $got = $try();
        if ($got !== null || microtime(true) >= $until) {
            return $got;
        }
        usleep($pause);
    }
}

/* Returns whether a reply arrived that is not an error; prints what arrived. */
function request(SysvMessageQueue $queue, int $type, SysvMessageQueue $inbox, string $address, string $token, int $id, int $milliseconds, string $text): bool
{
    $until = microtime(true) + $milliseconds / 1000;
    $left = $milliseconds * 1000000;
    $message = encode($id, $token, (int)(microtime(true) * 1e6) * 1000 + $left, $address, due($left), $text);
    $sent = await(function () use ($queue, $type, $message) {
        if (@msg_send($queue, $type, $message, false, false, $error)) { // serialize: false
            return true;
        }
        return $error == MSG_EAGAIN ? null : fail('msg_send: ' . posix_strerror($error));
    }, $until);
    $h = $sent === null ? null : await(function () use ($inbox, $token, $id) {
        while (@msg_receive($inbox, REPLY_TYPE, $type, LARGEST, $b, false, MSG_IPC_NOWAIT, $error)) { // unserialize: false
            $h = decode($b);
            // Late replies, and messages of someone who guesses, are not for us.
            if ($h !== null && $h['kind'] != REQUEST && $h['id'] === $id && $h['token'] === $token) {
                return $h;
            }
        }
        return $error == MSG_ENOMSG ? null : fail('msg_receive: ' . posix_strerror($error));
    }, $until);
    if ($h === null) {
        echo "no reply in time\n";
        return false;
    }
    echo $h['kind'] == ERROR ? "error $h[code]: " : '', $h['payload'], "\n";
    return $h['kind'] == REPLY;
}

if ($argc < 4) {
    fail("usage: php $argv[0] QUEUE TYPE MILLISECONDS TEXT...");
}
[, $name, $type, $milliseconds] = $argv;
if (!msg_queue_exists(key_of($name))) {
    fail("there is no queue $name"); // msg_get_queue would create one
}
$queue = msg_get_queue(key_of($name));
[$inbox, $address] = make_inbox();
register_shutdown_function(fn() => msg_remove_queue($inbox));
if (function_exists('pcntl_async_signals')) {
    pcntl_async_signals(true);
    foreach ([SIGTERM, SIGINT] as $signal) {
        pcntl_signal($signal, fn($signal) => exit(128 + $signal));
    }
}
$token = random_bytes(8);
$status = 0;
foreach (array_slice($argv, 4) as $i => $text) {
    if (!request($queue, (int)$type, $inbox, $address, $token, $i + 1, (int)$milliseconds, $text)) {
        $status = 1;
    }
}
exit($status);
