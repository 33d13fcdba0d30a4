db.getSiblingDB("admin").createRole({
  role: "prod/5f1c2d3e",
  privileges: [],
  roles: [{ role: "readWrite", db: "app" }, { role: "clusterMonitor", db: "admin" }]
});
db.getSiblingDB("admin").createRole({
  role: "prod/it's \"all\"",
  privileges: [],
  roles: [{ role: "readWrite", db: "app" }, { role: "clusterMonitor", db: "admin" }]
});
