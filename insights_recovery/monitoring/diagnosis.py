"""What a worker's process can say of itself, as the answer to a message: that it arrived, what works, what is used."""
