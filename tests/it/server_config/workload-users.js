db.getSiblingDB("$external").createUser({
  user: "orders/112233",
  roles: [{ role: "readWrite", db: "app" }]
});
