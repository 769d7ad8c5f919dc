package robustness

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/scriptling-kv/extlibs"
)

const (
	accounts = 4
	balance  = 100 // of an unused account
)

func account(i int) string { return fmt.Sprintf("bank/%d", i) }

// receipt has what a worker has moved to each account, and in how many transfers.
type receipt [accounts + 1]int

func parseReceipt(text string) (r receipt, err error) {
	if text != "" {
		_, err = fmt.Sscanf(text, "[%d %d %d %d %d]", &r[0], &r[1], &r[2], &r[3], &r[4])
	}
	return r, err
}

// readReceipt returns the receipt that a key has, and the zero one if there is none.
func readReceipt(h *extlibs.Handle, key string) (receipt, error) {
	values, err := h.GetMany(ctx, []string{key})
	if err != nil {
		return receipt{}, err
	}
	text, _ := values[key].(string)
	return parseReceipt(text)
}

func (r receipt) next(random *rand.Rand) receipt {
	from, amount := random.IntN(accounts), 1+random.IntN(9)
	r[from] -= amount
	r[(from+1+random.IntN(accounts-1))%accounts] += amount
	r[accounts]++
	return r
}

// transfer moves money between two accounts and replaces the receipt of the worker, in one
// call of UpdateMany.
func transfer(h *extlibs.Handle, key string, old, next receipt) error {
	keys, moved := []string{key}, map[string]int{}
	for i := range accounts {
		if n := next[i] - old[i]; n != 0 {
			keys, moved[account(i)] = append(keys, account(i)), n
		}
	}
	_, err := h.UpdateMany(ctx, keys, func(values map[string]any) (map[string]any, error) {
		text, _ := values[key].(string)
		if r, err := parseReceipt(text); err != nil || r != old {
			return nil, fmt.Errorf("the receipt %s is %q, not %v (%v)", key, text, old, err)
		}
		changed := map[string]any{key: fmt.Sprint(next)}
		for account, n := range moved {
			has := balance
			if text, ok := values[account].(string); ok {
				var err error
				if has, err = strconv.Atoi(text); err != nil {
					return nil, err
				}
			}
			changed[account] = strconv.Itoa(has + n)
		}
		return changed, nil
	})
	return err
}

// checkBank returns an error unless the accounts have what the receipts say: then each
// transfer is complete, or it is not there, and no money is lost.
func checkBank(seen map[string]string, receipts ...string) error {
	var want receipt
	for _, key := range receipts {
		r, err := parseReceipt(seen[key])
		if err != nil {
			return fmt.Errorf("the receipt %s is %q: %w", key, seen[key], err)
		}
		for i, n := range r {
			want[i] += n
		}
	}
	for i := range accounts {
		has, ok := seen[account(i)]
		if !ok {
			has = strconv.Itoa(balance)
		}
		if has != strconv.Itoa(balance+want[i]) {
			return fmt.Errorf("%s has %s, the receipts say %d", account(i), has, balance+want[i])
		}
	}
	return nil
}
