# The other side of the exchange tests, in Perl, with its builtins alone.
# See peer.c for the lines that it reads and writes.
use strict;
use warnings;

$| = 1;
my $queue = msgget($ARGV[0], 0) // die "msgget: $!";
while (my $line = <STDIN>) {
    if ($line =~ /^send (\d+) (\w*)$/) {
        msgsnd($queue, pack("l! a*", $1, pack("H*", $2)), 0) or die "msgsnd: $!";
        print "ok\n";
    } elsif ($line =~ /^receive (-?\d+)$/) {
        msgrcv($queue, my $message, 65536, $1, 0) or die "msgrcv: $!";
        my ($type, $text) = unpack("l! a*", $message);
        print "$type ", unpack("H*", $text), "\n";
    } else {
        die "cannot read: $line";
    }
}
