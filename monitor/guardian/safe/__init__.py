"""Transactions of Safes: prepared, decoded, signed, collected and sent without anybody's interface or service."""
