<?php
/* Answers each request with its text in upper case, and an empty one with an
 * error, until the queue is removed. Then it prints what it did.
 *
 *   php server.php QUEUE TYPE
 *
 * QUEUE is the key of the queue, such as 0x2a, TYPE that of the requests. It needs the
 * extensions sysvmsg and posix. PHP cannot open a queue by its id: clients need an
 * inbox with a key. Whoever may write to the queue may send anything: nothing of a
 * request is trusted, nor unserialized. */

const REQUEST = 1, REPLY = 2, ERROR = 3;
const REPLY_TYPE = 1, OWNER_SIZE = 40;
const TOO_LARGE = 3, FIRST_OWN = 1024; // codes of errors
const MAX_KEPT = 1 << 20; // bytes of the replies that wait for room
const EINTR = 4, E2BIG = 7;

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

function encode(int $kind, int $code, string $id, string $token, string $payload): string
{
    return pack('a4CCv', 'ipcq', 1, $kind, $code) . $id . $token . str_repeat("\0", 16) . $payload;
}

/* Returns a request, or null if it is not a request of version 1. */
function decode(string $b): ?array
{
    if (strlen($b) < 40) {
        return null;
    }
    $h = unpack('a4magic/Cversion/Ckind/vcode/a8id/a8token/Pdeadline/vn/vm', $b);
    $end = 40 + $h['n'] + $h['m'];
    if ($h['magic'] !== 'ipcq' || $h['version'] != 1 || $h['kind'] != REQUEST || $h['id'] === str_repeat("\0", 8)
        || $h['n'] > 255 || $h['m'] > 1024 || $end > strlen($b)) {
        return null;
    }
    $metadata = [];
    for ($at = 40 + $h['n']; $at < $end;) {
        $k = ord($b[$at]);
        if ($k == 0 || $at + 1 + $k + 2 > $end) {
            return null;
        }
        $key = '=' . substr($b, $at + 1, $k); // a key of digits would become a number
        $v = unpack('v', $b, $at + 1 + $k)[1];
        $at += 1 + $k + 2 + $v;
        if ($at > $end || isset($metadata[$key])) {
            return null;
        }
        $metadata[$key] = substr($b, $at - $v, $v);
    }
    $due = $metadata["=\0d"] ?? null;
    if ($due !== null && strlen($due) < 24) {
        return null;
    }
    return $h + ['due' => $due, 'address' => substr($b, 40, $h['n']), 'payload' => substr($b, $end)];
}

/* Returns for how many seconds the client still waits, null without a deadline. */
function seconds_left(array $h): ?float
{
    $clock = boot_clock();
    if ($h['due'] !== null && $clock !== null && substr($h['due'], 0, 16) === $clock[0]) {
        return unpack('P', $h['due'], 16)[1] / 1e9 - $clock[1];
    }
    return $h['deadline'] == 0 ? null : $h['deadline'] / 1e9 - microtime(true);
}

/* Returns the id of the boot, and the seconds since then, to a hundredth: null if
 * that is not known. */
function boot_clock(): ?array
{
    static $id = null;
    $id ??= @file_get_contents('/proc/sys/kernel/random/boot_id');
    $uptime = @file_get_contents('/proc/uptime');
    $own = @readlink('/proc/self/ns/time');
    if ($id === false || $uptime === false || $own !== @readlink('/proc/self/ns/time_for_children')) {
        return null;
    }
    $offset = 0;
    if (preg_match('/^boottime\s+(-?\d+)\s+(\d+)/m', (string)@file_get_contents('/proc/self/timens_offsets'), $m)) {
        $offset = (int)$m[1] + (int)$m[2] / 1e9; // of the time namespace of this process
    }
    return [hex2bin(str_replace('-', '', trim($id))), (float)$uptime - $offset];
}

/* Returns the inbox at an address, and the maximum size of a reply in it,
 * or null if there is none. */
function open_inbox(string $address): ?array
{
    if (!preg_match('/^sysvkey:(0x[0-9a-f]{8})$/D', $address, $m) || key_of($m[1]) == 0 || !msg_queue_exists(key_of($m[1]))) {
        return null; // msg_queue_exists(0) would create a queue
    }
    // If it is removed at this moment, msg_get_queue creates a queue, with this mode.
    $inbox = msg_get_queue(key_of($m[1]), 0);
    $stat = @msg_stat_queue($inbox);
    // If other queues were accepted, a client could direct this server to the queue of
    // another program.
    if ($stat === false || ($stat['msg_perm.mode'] & 0755) != 0611) {
        if ($stat !== false && $stat['msg_perm.mode'] == 0 && $stat['msg_lspid'] == 0 && $stat['msg_perm.uid'] == posix_geteuid()) {
            msg_remove_queue($inbox);
        }
        return null;
    }
    return [$inbox, $stat['msg_qbytes'] - OWNER_SIZE];
}

/* Sends a reply: true if there was room, false if not, null if the client is gone. */
function put(SysvMessageQueue $inbox, string $reply): ?bool
{
    if (@msg_send($inbox, REPLY_TYPE, $reply, false, false, $error)) {
        return true;
    }
    return $error == MSG_EAGAIN ? false : null;
}

function answer(array $h): string
{
    if ($h['payload'] === '') {
        return encode(ERROR, FIRST_OWN, $h['id'], $h['token'], 'nothing to put in upper case');
    }
    return encode(REPLY, 0, $h['id'], $h['token'], strtoupper($h['payload']));
}

/* Handles a message, and keeps a reply without room until its deadline, so that it
 * delays no other client. */
function handle(string $message, array &$did, array &$kept): void
{
    $h = decode($message);
    if ($h === null) {
        $did['malformed']++;
        return;
    }
    $left = seconds_left($h);
    if ($left !== null && $left <= 0) {
        $did['expired']++;
        return;
    }
    $found = open_inbox($h['address']);
    if ($found === null) {
        $did['refused']++;
        return;
    }
    [$inbox, $room] = $found;
    $reply = answer($h);
    $did['handled']++;
    if (strlen($reply) > $room) {
        $reply = encode(ERROR, TOO_LARGE, $h['id'], $h['token'], 'the reply does not fit into the inbox');
    }
    if (!in_array($h['address'], array_column($kept, 1), true)) {
        $sent = put($inbox, $reply);
        if ($sent === true) {
            return;
        }
        if ($sent === null) {
            $did['replies lost']++;
            return;
        }
    }
    if (array_sum(array_map(fn($k) => strlen($k[2]), $kept)) + strlen($reply) > MAX_KEPT) {
        $did['replies lost']++;
        return;
    }
    $kept[] = [microtime(true) + ($left ?? 30), $h['address'], $reply];
}

/* Sends kept replies for which there is room now, and drops those that nobody waits for
 * any more. */
function send_kept(array &$did, array &$kept): void
{
    $full = [];
    foreach ($kept as $i => [$until, $address, $reply]) {
        $sent = false;
        if (!isset($full[$address])) {
            $found = open_inbox($address);
            $sent = $found === null ? null : put($found[0], $reply);
        }
        if ($sent === false) {
            $full[$address] = true;
            if (microtime(true) < $until) {
                continue;
            }
        }
        if ($sent !== true) {
            $did['replies lost']++;
        }
        unset($kept[$i]);
    }
}

if ($argc != 3) {
    fail("usage: php $argv[0] QUEUE TYPE");
}
[, $name, $type] = $argv;
if (!msg_queue_exists(key_of($name))) {
    fail("there is no queue $name"); // msg_get_queue would create one
}
$queue = msg_get_queue(key_of($name));
$did = ['handled' => 0, 'malformed' => 0, 'expired' => 0, 'refused' => 0, 'replies lost' => 0];
$kept = [];
$size = 8192; // kernel.msgmax by default
for (;;) {
    send_kept($did, $kept);
    if (@msg_receive($queue, (int)$type, $got, $size, $message, false, $kept ? MSG_IPC_NOWAIT : 0, $error)) {
        handle($message, $did, $kept);
    } elseif ($error == E2BIG) { // the message stays in the queue
        $size *= 2;
    } elseif ($error == MSG_ENOMSG) {
        usleep(5000); // before the next look at the inboxes that were full
    } elseif ($error != EINTR) { // the queue is gone
        break;
    }
}
$did['replies lost'] += count($kept);
echo implode(', ', array_map(fn($what) => "$what $did[$what]", array_keys($did))), "\n";
