package codec

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// Binary returns a codec of the bytes that a struct, an array or a number has in
// the memory of a C program: numbers of fixed size in the given byte order, such
// as [binary.NativeEndian] on one host, each at a multiple of its size.
//
// T is made of int8 to int64, uint8 to uint64, float32, float64, complex numbers,
// bool, and arrays and structs of these. All fields must be exported or blank.
// Where a C compiler leaves bytes unused, T must have a blank field of that size:
//
//	type reading struct { // struct reading { int32_t sensor; double value; };
//		Sensor int32
//		_      [4]byte
//		Value  float64
//	}
//
// If T is none of these, or lacks such a field, every call returns an error that
// says where. A payload of another length is an error. Blank fields are written
// as zeros. For packed structs, and for 32-bit systems that align 8-byte numbers
// otherwise, write a pair of functions.
func Binary[T any](order binary.ByteOrder) Codec[T] {
	typ := reflect.TypeFor[T]()
	size, _, wrong := layout(typ, typ.String())
	return Codec[T]{
		Encode: func(v T) ([]byte, error) {
			if wrong != nil {
				return nil, wrong
			}
			return binary.Append(make([]byte, 0, size), order, v)
		},
		Decode: func(data []byte) (v T, err error) {
			if wrong != nil {
				return v, wrong
			}
			if len(data) != size {
				return v, fmt.Errorf("%d bytes are not a %v, which has %d", len(data), typ, size)
			}
			_, err = binary.Decode(data, order, &v)
			return v, err
		},
	}
}

// layout returns the size and the alignment of t in C, or an error if
// encoding/binary would lay it out otherwise. path names it in errors.
func layout(t reflect.Type, path string) (size, align int, err error) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		n := int(t.Size())
		return n, n, nil
	case reflect.Complex64, reflect.Complex128:
		n := int(t.Size())
		return n, n / 2, nil
	case reflect.Array:
		size, align, err = layout(t.Elem(), path+"[]")
		return size * t.Len(), align, err
	case reflect.Struct:
		return structLayout(t, path)
	}
	return 0, 1, fmt.Errorf("%s has type %v, which has no fixed size; use int8 to int64, uint8 to uint64, float32, float64, bool, arrays and structs", path, t)
}

func structLayout(t reflect.Type, path string) (size, align int, err error) {
	align = 1
	for i := range t.NumField() {
		f := t.Field(i)
		name := path + "." + f.Name
		if !f.IsExported() && f.Name != "_" {
			return 0, 1, fmt.Errorf("%s is not exported, so it cannot be set", name)
		}
		n, a, err := layout(f.Type, name)
		if err != nil {
			return 0, 1, err
		}
		if missing := padding(size, a); missing > 0 {
			return 0, 1, fmt.Errorf("in C, padding of %d bytes comes before %s: put a field _ [%d]byte there", missing, name, missing)
		}
		size += n
		align = max(align, a)
	}
	if missing := padding(size, align); missing > 0 {
		return 0, 1, fmt.Errorf("in C, padding of %d bytes comes at the end of %s: put a field _ [%d]byte there", missing, path, missing)
	}
	return size, align, nil
}

// padding returns how many bytes are missing to a multiple of align.
func padding(size, align int) int { return (align - size%align) % align }
