// StartWatch
