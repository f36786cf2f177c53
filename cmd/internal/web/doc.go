// Package web shows the message queues of the host in a browser: one page, whose script
// and style are part of the program, and which loads nothing from elsewhere.
//
// It changes neither queues nor messages. Whoever has the token in the URL may see
// them; it is after the #, so that no request line, log or referrer contains it.
// Requests that a page of another origin could make through a browser are refused: see
// guard. Data from queues reaches the page as JSON and is inserted as text only, which
// the policy in the page's headers makes the browser enforce.
package web
