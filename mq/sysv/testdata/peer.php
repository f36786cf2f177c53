<?php
// The other side of the exchange tests, in PHP. See peer.c for the lines that it
// reads and writes; "serialized" as a last word leaves PHP to its default, which
// is to serialize what it sends and to unserialize what it receives. A receive
// that fails is answered with "failed".
$queue = msg_get_queue((int) $argv[1]);
while (($line = fgets(STDIN)) !== false) {
    $words = explode(' ', rtrim($line, "\n"));
    $serialized = end($words) === 'serialized';
    if ($words[0] === 'send') {
        msg_send($queue, (int) $words[1], hex2bin($words[2]), $serialized) or exit(1);
        echo "ok\n";
    } elseif ($words[0] === 'receive') {
        $received = @msg_receive($queue, (int) $words[1], $type, 65536, $text, $serialized);
        echo $received ? $type . ' ' . bin2hex($text) : 'failed', "\n";
    } else {
        exit(2);
    }
}
