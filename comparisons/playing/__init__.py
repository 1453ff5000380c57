"""Playing with a trained model: drawings as its data has them, the answers of every backend, and a duel on test digits."""
