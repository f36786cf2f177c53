# Does what peer.c does, with system calls of x86-64: mq_open 240,
# mq_timedsend 242, mq_timedreceive 243, mq_getsetattr 245.
use strict;
use warnings;
use Fcntl;

$| = 1;
my $name = substr $ARGV[0], 1;
my $q = syscall 240, $name, O_RDWR, 0, 0;
die "mq_open: $!\n" if $q < 0;
my $attr = "\0" x 64;
syscall(245, $q, 0, $attr) == 0 or die "mq_getsetattr: $!\n";
my $size = (unpack 'q4', $attr)[2];

while (<STDIN>) {
	my ($do, $priority, $hex) = split;
	if ($do eq 'send') {
		my $body = pack 'H*', $hex // '';
		syscall(242, $q, $body, length $body, $priority + 0, 0) == 0 or die "mq_timedsend: $!\n";
		print "ok\n";
	} else {
		my $body = "\0" x $size;
		my $got = "\0" x 4;
		my $n = syscall 243, $q, $body, $size, $got, 0;
		die "mq_timedreceive: $!\n" if $n < 0;
		print unpack('I', $got), ' ', unpack('H*', substr $body, 0, $n), "\n";
	}
}
