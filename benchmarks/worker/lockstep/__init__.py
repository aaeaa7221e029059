"""The lockstep gate, inside the framework's environment: does it compute what is declared, and if not, where?"""
