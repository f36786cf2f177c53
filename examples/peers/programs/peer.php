<?php
// Waits for a message of type $argv[2] in the queue with the key $argv[1], and answers
// with that type plus 100, twice.
[, $key, $type] = $argv;
$queue = msg_get_queue((int) $key);

// Without unserialize: false, PHP would lose a body that is not serialized.
msg_receive($queue, (int) $type, $_, 8192, $text, unserialize: false) or exit(1);
msg_send($queue, $type + 100, "PHP heard \"$text\"", serialize: false) or exit(1);

// PHP's default.
msg_send($queue, $type + 100, "serialized by PHP") or exit(1);
