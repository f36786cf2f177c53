// Package web shows the message queues of the host in a browser: one page, with its
// script and style in the program, that asks for nothing from elsewhere.
//
// It changes nothing, neither queues nor messages. Who may see them is who has the
// token that is in the URL (behind its #, so that no request line, log or referrer has
// it). What a page of another origin could do with a browser's help is refused: see
// guard. What comes from queues reaches the page as JSON and gets into it as text
// only, to which the browser is held by the policy in the page's headers.
package web
