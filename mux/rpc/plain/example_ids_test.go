package plain_test

import (
	"fmt"

	"ipcmq/mux/rpc/plain"
)

// The id of a body in which a blank follows it.
func ExampleBefore() {
	id := plain.Before(" ")
	fmt.Println(id([]byte("17 weather in Bonn")))
	fmt.Println(id([]byte("weather")))
	// Output:
	// 17 true
	//  false
}

// The id of a JSON object, as it is written.
func ExampleField() {
	id := plain.Field("id")
	fmt.Println(id([]byte(`{"id":17,"city":"Bonn"}`)))
	fmt.Println(id([]byte(`{"id":"a-17"}`)))
	// Output:
	// 17 true
	// "a-17" true
}
