"""Pictures of finished meshes: passes, turntables, contact sheets and the offline report."""
