package sleep

var BudgetOf = budget

// SetBudget changes how many threads may sleep, until undo is called.
func SetBudget(n int) (undo func()) {
	before := Budget
	Budget = func() int { return n }
	return func() { Budget = before }
}
