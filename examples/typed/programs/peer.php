<?php
// Answers each order of type 1 in the queue with the key $argv[1] with an invoice
// of type 2, both JSON, until an order has no items.
$queue = msg_get_queue((int) $argv[1]);
while (true) {
    // Without unserialize: false, PHP would lose a body that is not serialized.
    msg_receive($queue, 1, $_, 8192, $text, unserialize: false) or exit(1);
    $order = json_decode($text, flags: JSON_THROW_ON_ERROR);
    if (!$order->items) {
        break;
    }
    $invoice = ['id' => $order->id, 'by' => 'PHP', 'total' => array_sum(array_map(fn($i) => $i->count * $i->price, $order->items))];
    msg_send($queue, 2, json_encode($invoice), serialize: false) or exit(1);
}
msg_send($queue, 2, ['what' => 'PHP sends by default']) or exit(1);
