package runtimelib

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func limited(n int) *Tasks {
	return NewTasks(func() int { return n }, func(Failure) {}, func(context.Context) func(any) any { return nil })
}

func untilEnded(ctx *taskContext) { <-ctx.Done() }

func TestNoMoreTasksRunThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(2)
		release := make(chan struct{})
		for range 2 {
			if err := tasks.start(t.Context(), func(*taskContext) { <-release }); err != nil {
				t.Fatal(err)
			}
		}
		err := tasks.start(t.Context(), func(*taskContext) { t.Error("it ran") })
		if err == nil || !strings.Contains(err.Error(), "2 tasks are running, the maximum") || !strings.Contains(err.Error(), "MaxTasks") {
			t.Errorf("the third: %v", err)
		}
		close(release)
		synctest.Wait()
		if err := tasks.start(t.Context(), func(*taskContext) {}); err != nil {
			t.Errorf("after the others ended: %v", err)
		}
	})
}

func TestWithoutALimitTasksOfAnyNumberRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(0)
		for range manyTasks {
			if err := tasks.start(t.Context(), untilEnded); err != nil {
				t.Fatal(err)
			}
		}
		if n := tasks.Running(); n != manyTasks {
			t.Errorf("%d run", n)
		}
		if err := tasks.Close(); err != nil || tasks.Running() != 0 {
			t.Errorf("Close: %v, %d run", err, tasks.Running())
		}
	})
}

const manyTasks = 3000

func TestCloseEndsTasksWaitsForThemAndLetsNoneStartUntilOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(5)
		ended := false
		tasks.start(t.Context(), func(ctx *taskContext) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
		})
		if err := tasks.Close(); err != nil || !ended {
			t.Errorf("Close: %v, ended: %v", err, ended)
		}
		if err := tasks.start(t.Context(), untilEnded); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("a task after Close: %v", err)
		}
		if err := tasks.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		tasks.Open()
		tasks.Open()
		if err := tasks.start(t.Context(), untilEnded); err != nil {
			t.Errorf("a task after Open: %v", err)
		}
		tasks.Close()
	})
}

func TestCloseDoesNotWaitForeverForATaskThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(5)
		release := make(chan struct{})
		tasks.start(t.Context(), func(*taskContext) { <-release })
		before := time.Now()
		err := tasks.Close()
		if err == nil || !strings.Contains(err.Error(), "1 background tasks have not ended") || time.Since(before) != closeGrace {
			t.Errorf("Close after %v: %v", time.Since(before), err)
		}
		close(release)
	})
}

func TestWaitWaitsForTheLastTaskOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(5)
		if err := tasks.Wait(t.Context()); err != nil {
			t.Errorf("without a task: %v", err)
		}
		for i := range 3 {
			tasks.start(t.Context(), func(*taskContext) { time.Sleep(time.Duration(i+1) * time.Minute) })
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := tasks.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a short context: %v", err)
		}
		before := time.Now()
		if err := tasks.Wait(t.Context()); err != nil || time.Since(before) != 2*time.Minute {
			t.Errorf("waited %v: %v", time.Since(before), err)
		}
	})
}

func TestATaskHasTheDeadlineAndValuesOfItsStarterButNotItsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := limited(5)
		key := new(int) // a type of another package
		starter, cancel := context.WithTimeout(context.WithValue(t.Context(), key, "value"), time.Minute)
		ended := make(chan error, 1)
		before := time.Now()
		tasks.start(starter, func(ctx *taskContext) {
			if ctx.Value(key) != "value" {
				t.Error("the value is not there")
			}
			<-ctx.Done()
			ended <- ctx.Err()
		})
		cancel()
		if err := <-ended; err != context.DeadlineExceeded || time.Since(before) != time.Minute {
			t.Errorf("it ended after %v: %v", time.Since(before), err)
		}
	})
}
