# Waits for a message of type $ARGV[1] in the queue with the key $ARGV[0], and answers
# with that type plus 100. No module is needed.
use strict;
use warnings;

my ($key, $type) = @ARGV;
my $queue = msgget($key, 0) // die "msgget: $!";
msgrcv($queue, my $message, 8192, $type, 0) or die "msgrcv: $!";

# The type is a C long before the text.
my (undef, $text) = unpack("l! a*", $message);
msgsnd($queue, pack("l! a*", $type + 100, qq(Perl heard "$text")), 0) or die "msgsnd: $!";
