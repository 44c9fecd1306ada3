"""Real-time inference for diffusion and flow policies: noise schedules, samplers, plans, deadlines."""
