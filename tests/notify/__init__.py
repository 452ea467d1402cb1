"""Who is told elsewhere of what needs people, and how patiently."""
