<?php
// Waits for a message of the type $argv[2] in the queue with the key $argv[1],
// and answers it with one of type 100 more, twice.
[, $key, $type] = $argv;
$queue = msg_get_queue((int) $key);

// Without unserialize: false, PHP would lose a body that PHP has not serialized.
msg_receive($queue, (int) $type, $_, 8192, $text, unserialize: false) or exit(1);
msg_send($queue, $type + 100, "PHP heard \"$text\"", serialize: false) or exit(1);

// What PHP sends by default.
msg_send($queue, $type + 100, "serialized by PHP") or exit(1);
