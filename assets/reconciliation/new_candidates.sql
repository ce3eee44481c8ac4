-- Differences are collected anew for each scope; root causes of all scopes stay.
DELETE FROM candidates;
