package extlibs_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/scriptling-kv/extlibs"
)

func ExampleObserve() {
	r := extlibs.NewRegistry(extlibs.Observe(func(c extlibs.Call) {
		fmt.Println(c.Store, c.Name, c.Keys, c.Duration >= 0, c.Err)
	}))
	defer r.Close()
	ctx := context.Background()
	r.Default().Set(ctx, "user", "bob", 0)
	r.Default().GetMany(ctx, []string{"user", "absent"})
	// Output:
	// default set 1 true <nil>
	// default get_many 2 true <nil>
}

func ExampleSlowCalls() {
	withoutTimes := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "duration" || a.Key == "bytes" {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	// 20ms is a useful limit; here each call is slow.
	r := extlibs.NewRegistry(extlibs.Logger(logger), extlibs.SlowCalls(time.Nanosecond))
	defer r.Close()
	r.Default().Set(context.Background(), "user", "bob", 0)
	// Output: level=WARN msg="kv: a call was slow" store=default call=set keys=1
}
