from automm.cli import main

main()
