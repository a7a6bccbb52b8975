"""Two services and a demonstration, written as a user of Watchword would write them."""
