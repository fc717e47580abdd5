// The advisory locks of the platform, in one list, because two that share a number wait for each other for ever.

export const locks = {
  migrate: 7_265_001,
  relay: 7_265_002,
  testTemplate: 7_265_003,
  outboxPartitions: 7_265_004,
  controlLog: 7_265_005,
  signingKeys: 7_265_006,
} as const;
