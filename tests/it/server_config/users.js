db.getSiblingDB("$external").createUser({
  user: "prod/ada@example.com",
  roles: [{ role: "read", db: "app" }]
});
