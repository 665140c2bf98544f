"""What people say of an episode over time, from files beside it and from whole collections."""
