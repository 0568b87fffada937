source (status dirname)/koop.fish
